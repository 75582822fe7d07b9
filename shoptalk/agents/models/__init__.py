"""The model behind one small interface (`base`), with two ways in."""
