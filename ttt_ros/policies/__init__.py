"""The policy protocol, the built-in vision-language-action policy, adapters and checkpoints."""
