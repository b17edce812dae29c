"""Looking into images: `lreg inspect`, `layers`, `files`, `cat`, `export`, `diff`."""
