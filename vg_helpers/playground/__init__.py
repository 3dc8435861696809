"""The playground: one page, in JupyterLab or by itself, on which a photo turns into a painting."""
