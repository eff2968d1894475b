"""The whole chain under faults: README.md beside this file says what is done to it and how it is accounted."""
