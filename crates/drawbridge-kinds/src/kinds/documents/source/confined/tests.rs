//! Nothing leads out of the folder.
