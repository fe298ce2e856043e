"""The neighbours of adaptation: fine-tuning, several tasks, chains of tasks, few shots."""
