"""The ports' two lives: ``aws`` talks to AWS, ``memory`` keeps everything in the process."""
