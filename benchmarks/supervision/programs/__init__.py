"""Small programs to be supervised; they need nothing but the standard library, and end by themselves if forgotten."""
