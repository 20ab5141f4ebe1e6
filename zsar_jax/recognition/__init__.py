"""An exported model at work: video files and class names in, ranked names out."""
