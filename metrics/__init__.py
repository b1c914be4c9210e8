"""Quality metrics of trained networks and the feature networks they use."""
