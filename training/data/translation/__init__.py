"""Data of methods that translate: two sides, in pairs or not, or label maps with their photos.

A method sees named streams. Unpaired sides are the streams `a` and `b`, each in a random order of its own: every
picture once in each of its passes. (The published programs draw the partners of A from B with repetition.) Pairs are
the same two streams, in one order and with the same crops and flips. Label maps are pairs, too: `a` holds the maps,
`b` the photos, and `inst`, if there are maps of instances, these.

All images are uint8 [C, H, W], so that they pass through the loop like any others. Numbers of maps are split into
bytes, the lowest first: a label map has one channel (numbers up to 255), a map of instances three (numbers below 2^24).
In the graph of a method, `training.methods.translating.numbers` makes numbers of `step.batch['inst'].images`. As a
picture, a map of instances is what COCO's panoptic format is.

Datasets have the attribute `max_id`, the largest number that a map may hold; `None` = they are pictures.
"""
