"""An exported model on disk: one folder that names actions without the run, the records or the word-vector file it came from."""
