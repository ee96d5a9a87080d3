import atexit
import gc

# Importing PyTorch makes half a million objects that live to the end. A garbage collector that looks through them time
# and again, and once more at the end, takes a fifth of the time of a stage that trains small networks.
gc.set_threshold(100_000)
atexit.register(gc.freeze)
