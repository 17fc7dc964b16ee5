"""Painters: what makes a right part of a malformed one."""
