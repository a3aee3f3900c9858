"""The commands of the command line, one file per noun; they join what the folders do and hold no logic of their own."""
