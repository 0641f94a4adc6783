"""What the readers share: the rows of a listing, the files that they name, the content of one sample."""
