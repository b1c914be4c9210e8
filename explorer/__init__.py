"""The page in the browser: server of the standard library, engine behind it, jobs, files of trainings."""
