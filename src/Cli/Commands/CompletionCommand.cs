using Mesh.Cli.Frame;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl completion bash|zsh|fish</c>: a script that asks <c>meshctl __complete</c> for what may come next.</summary>
internal static class CompletionCommand
{
    public static Command Command { get; } = new("completion", "Generate the autocompletion script for the specified shell")
    {
        Arguments = "bash|zsh|fish",
        Example = """
              source <(meshctl completion bash)
              meshctl completion zsh > "${fpath[1]}/_meshctl"
              meshctl completion fish > ~/.config/fish/completions/meshctl.fish
            """,
        Run = async (invocation, _) =>
        {
            if (invocation.Arguments.Count != 1) return Outcome.Usage("name one shell: bash, zsh or fish");
            if (ScriptFor(invocation.First) is not { } script) return Outcome.Usage($"there is no completion for {invocation.First}: bash, zsh or fish");

            await invocation.Out.WriteAsync(script);
            return Outcome.Fine;
        },
    };

    /// <summary>What the scripts call: a candidate a line, a tab, what it is.</summary>
    public static Command Candidates { get; } = new("__complete", "candidates for the last of the words")
    {
        Hidden = true,
        Arguments = "-- WORD...",
        Run = async (invocation, _) =>
        {
            foreach (var candidate in Completion.Of(Root.Command, invocation.Arguments)) await invocation.Out.WriteLineAsync($"{candidate.Word}\t{candidate.About}");
            return Outcome.Fine;
        },
    };

    private static string? ScriptFor(string shell) => shell switch
    {
        "bash" => """
            # bash completion for meshctl
            _meshctl() {
                local IFS=$'\n'
                COMPREPLY=($(meshctl __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
                [ ${#COMPREPLY[@]} -gt 0 ] || compopt -o default
            }
            complete -F _meshctl meshctl

            """,
        "zsh" => """
            #compdef meshctl
            # zsh completion for meshctl
            _meshctl() {
                local -a found
                found=("${(@f)$(meshctl __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
                found=("${(@)found//:/\\:}")
                found=("${(@)found/$'\t'/:}")
                if [[ -n "${found[1]}" ]]; then _describe meshctl found; else _files; fi
            }
            compdef _meshctl meshctl

            """,
        "fish" => """
            # fish completion for meshctl
            complete -c meshctl -a '(set -l words (commandline -opc) (commandline -ct); meshctl __complete -- $words[2..] 2>/dev/null)'

            """,
        _ => null,
    };
}
