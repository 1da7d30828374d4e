//! The YAML file of modules: parsing, the closed list of probers, and reload.
