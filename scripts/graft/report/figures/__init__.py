"""The figures. Each is one file, found by its name, with `plot(source, path)`: it draws a sources.Source, and writes path."""
