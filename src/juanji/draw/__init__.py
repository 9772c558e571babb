"""Pictures of operators: bound specification -> scene (plain data) -> SVG, GIF.

The mathematics and the contract of a scene: README.md in this folder.
"""
