"""The page: state, view models, charts, components. No tensor mathematics."""
