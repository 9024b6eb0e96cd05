"""View models to plotly figures. Pure."""
