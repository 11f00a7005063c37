"""Training of the embedded MiMo-shaped model: `python -m train --config micro`."""
