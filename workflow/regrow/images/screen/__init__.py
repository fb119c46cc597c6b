"""The screen: which prompts are never drawn, because they name or imply minors or name a person."""
