"""From a mesh to coverage, depth, normals and the pose image."""
