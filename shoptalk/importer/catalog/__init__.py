"""The parts of `catalog_file`: the forms a catalog comes in, and what its values must be."""
