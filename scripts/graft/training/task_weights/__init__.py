"""How the losses of several targets become one. One file per way, found by its name.

A way has a Module `Weights(targets)`, where `targets` is how many there are. Its own parameters are trained with the network.
`backward(losses, share, backward, network)` gives the gradients of a batch: `losses` is a Tensor of shape (targets,), each divided by
the loss of the best constant answer, `share` how much the batch counts in its step, where all batches count 1 together, and
`backward` what takes the place of Tensor.backward.
"""
