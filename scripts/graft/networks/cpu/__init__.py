"""What a CPU computes in one go, and in which number format."""
