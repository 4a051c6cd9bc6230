"""A program's cell: a child process that is forked warm, walled in, used once and killed."""
