"""``tidegate completion``: what a shell reads to complete commands and options."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_TIDEGATE_COMPLETE"
"""The shell sets it when it asks ``tidegate`` for completions; click derives it from the program's name."""


@click.command
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion of commands and options for SHELL.

    \b
    Install it for new shells:
      tidegate completion bash \\
        > ~/.local/share/bash-completion/completions/tidegate
      tidegate completion zsh > "${fpath[1]}/_tidegate"
      tidegate completion fish > ~/.config/fish/completions/tidegate.fish

    bash needs the package bash-completion for that, and zsh needs `autoload -Uz compinit && compinit` in ~/.zshrc. Without
    them, put `source <(tidegate completion bash)`, or the same with zsh, into ~/.bashrc or ~/.zshrc.
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    found = get_completion_class(shell)
    assert found is not None
    root = context.find_root()
    # Its ``source`` would start bash to learn its version, and warn of one older than 4.4.
    script = found(root.command, {}, "tidegate", VARIABLE)
    click.echo(script.source_template % script.source_vars(), nl=False)
