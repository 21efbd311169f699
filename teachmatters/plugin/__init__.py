"""What helps to write a plugin: the packages of ``tm plugin new``, and the contract that ``tm plugin check`` runs."""
