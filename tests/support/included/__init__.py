"""What a worker of a test includes: tasks of other applications, engines with whims."""
