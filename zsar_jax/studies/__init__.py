"""The papers' experiments as plans of runs: a plan becomes jobs, jobs become results, results a table and figures."""
