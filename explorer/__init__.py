"""The page in the browser: a server of the standard library, the engine behind it, jobs, and the files of a training."""
