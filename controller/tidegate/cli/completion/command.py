"""``tidegate completion``: the script with which a shell completes commands and options."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_TIDEGATE_COMPLETE"
"""The shell sets it when it asks ``tidegate`` for completions; click derives it from the program's name."""


@click.command
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which a shell completes commands and options.

    \b
    Install it for new shells:
      mkdir -p ~/.local/share/bash-completion/completions
      tidegate completion bash \\
        > ~/.local/share/bash-completion/completions/tidegate
      tidegate completion zsh > "${fpath[1]}/_tidegate"
      tidegate completion fish > ~/.config/fish/completions/tidegate.fish

    bash reads this folder if the package bash-completion is installed. If not, add `source <(tidegate completion bash)` to
    ~/.bashrc. zsh needs the line `autoload -Uz compinit && compinit` in ~/.zshrc.
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    found = get_completion_class(shell)
    assert found is not None
    root = context.find_root()
    # Its ``source`` would start bash to learn its version, and warn of one older than 4.4.
    script = found(root.command, {}, "tidegate", VARIABLE)
    click.echo(script.source_template % script.source_vars(), nl=False)
