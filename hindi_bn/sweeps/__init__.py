"""Many runs at once: a study times a grid times seeds, trained once each and tabulated."""
