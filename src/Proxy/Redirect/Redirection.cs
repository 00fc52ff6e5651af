using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Mesh.Proxy.Redirect;

/// <summary>
/// `mesh-proxy istio-iptables …`: what the init container runs. The image has no shell, so the binary writes the rules itself;
/// iptables/redirect.sh says the same as a script (decisions/008).
/// </summary>
internal static class Redirection
{
    public const string Verb = "istio-iptables";
    private const int ValidationFailed = 126;
    private static readonly TimeSpan ToolTimeout = TimeSpan.FromSeconds(30);

    /// <returns>The process's exit code: 0, 1, or 126 when the validation failed.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> words, Func<string, string?> environment, TextWriter output, TextWriter error, CancellationToken cancel)
    {
        if (RedirectOptions.Parse(words, environment, out var problem) is not { } parsed)
        {
            await error.WriteLineAsync($"Error: {problem}");
            return 1;
        }
        var options = await WithSurroundingsAsync(parsed, error, cancel);
        var v6 = options.IPv6 == true;

        if (options.DryRun)
        {
            await output.WriteAsync(options.Nftables
                ? NftScript.Build(RedirectRules.Build(options, v6: false), v6 ? RedirectRules.Build(options, v6: true) : null)
                : RestoreInput.Fresh(RedirectRules.Build(options, v6: false)) + (v6 ? RestoreInput.Fresh(RedirectRules.Build(options, v6: true)) : ""));
            return 0;
        }
        if (!options.SkipApply && await ApplyAsync(options, v6, cancel) is { } failure)
        {
            await error.WriteLineAsync($"Error: {failure}");
            return 1;
        }
        if (!options.Validate) return 0;

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(options.ProbeTimeout);
        if (await RedirectProbe.ReachesProxyAsync(options, v6 && !HasV4Address(), deadline.Token)) return 0;

        await error.WriteLineAsync("Error: iptables validation failed; workload is not ready for Istio.\n"
            + "With the node's plugin (CNI) this happens when the pod came before the plugin was ready: delete the pod, so that it is made anew.");
        return ValidationFailed;
    }

    private static async Task<string?> ApplyAsync(RedirectOptions options, bool v6, CancellationToken cancel)
    {
        if (options.Nftables)
        {
            var script = options.CleanupOnly ? NftScript.Cleanup()
                : NftScript.Build(RedirectRules.Build(options, v6: false), v6 ? RedirectRules.Build(options, v6: true) : null);
            var (exit, _, said) = await ToolAsync("nft", ["-f", "-"], script, cancel);
            if (exit != 0) return $"nft refused the rules: {said}";
        }
        else
        {
            if (await RestoreAsync(options, "iptables", v6: false, cancel) is { } refused) return refused;
            if (v6 && await RestoreAsync(options, "ip6tables", v6: true, cancel) is { } refused6) return refused6;
        }
        return options.Tproxy ? await RoutesAsync(options, v6, cancel) : null;
    }

    private static async Task<string?> RestoreAsync(RedirectOptions options, string tool, bool v6, CancellationToken cancel)
    {
        var rules = options.CleanupOnly ? [] : RedirectRules.Build(options, v6);
        var (_, saved, _) = await ToolAsync(tool + "-save", [], "", cancel);
        string input;
        if (RestoreInput.HasOurs(saved))
        {
            var present = new List<RedirectRule>();
            foreach (var rule in RedirectRules.Build(options, v6).Where(rule => rule.InBuiltIn && !RestoreInput.IsJump(rule)))
                if ((await ToolAsync(tool, ["-w", "-t", rule.Table, "-C", rule.Chain, .. rule.Words], "", cancel)).Exit == 0) present.Add(rule);
            input = RestoreInput.Replacing(rules, saved, present);
        }
        else input = RestoreInput.Fresh(rules);
        if (input.Length == 0) return null;

        var (exit, _, said) = await ToolAsync(tool + "-restore", ["--noflush"], input, cancel);
        return exit == 0 ? null : $"{tool}-restore refused the rules (does the container have NET_ADMIN and NET_RAW?): {said}";
    }

    /// <summary>Marked packets are delivered here, whatever their destination.</summary>
    private static async Task<string?> RoutesAsync(RedirectOptions options, bool v6, CancellationToken cancel)
    {
        foreach (var family in v6 ? (string[])["-4", "-6"] : ["-4"])
        {
            // Until none is left: a second run must not leave two.
            for (var i = 0; i < 10 && (await ToolAsync("ip", [family, "rule", "del", "fwmark", options.TproxyMark, "lookup", options.TproxyRouteTable], "", cancel)).Exit == 0; i++) { }
            if (options.CleanupOnly)
            {
                await ToolAsync("ip", [family, "route", "flush", "table", options.TproxyRouteTable], "", cancel);
                continue;
            }
            string[][] commands =
            [
                [family, "rule", "add", "fwmark", options.TproxyMark, "lookup", options.TproxyRouteTable],
                [family, "route", "replace", "local", "default", "dev", "lo", "table", options.TproxyRouteTable],
            ];
            foreach (var command in commands)
            {
                var (exit, _, said) = await ToolAsync("ip", command, "", cancel);
                if (exit != 0) return $"ip {string.Join(' ', command)}: {said}";
            }
        }
        return null;
    }

    /// <summary>What only the pod itself tells: does it have IPv6, and who answers its DNS?</summary>
    private static async Task<RedirectOptions> WithSurroundingsAsync(RedirectOptions options, TextWriter error, CancellationToken cancel)
    {
        options = options with { IPv6 = options.IPv6 ?? (options.DualStack ? HasV6Address() : HasV6Address() && !HasV4Address()) };
        if (!options.RedirectDns || options.CaptureAllDns || options.DnsServersV4.Length + options.DnsServersV6.Length > 0) return options;

        var servers = File.Exists("/etc/resolv.conf")
            ? (await File.ReadAllLinesAsync("/etc/resolv.conf", cancel)).Select(line => line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
                .Where(words => words is ["nameserver", _, ..] && IPAddress.TryParse(words[1], out _)).Select(words => IPAddress.Parse(words[1])).ToList()
            : [];
        if (servers.Count == 0) await error.WriteLineAsync("Warning: DNS capture is wanted, but /etc/resolv.conf names no server: DNS stays as it is.");
        return options with
        {
            DnsServersV4 = [.. servers.Where(server => server.AddressFamily == AddressFamily.InterNetwork).Select(server => server.ToString())],
            DnsServersV6 = [.. servers.Where(server => server.AddressFamily == AddressFamily.InterNetworkV6).Select(server => server.ToString())],
        };
    }

    private static bool HasV4Address() => Addresses().Any(address => address.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(address));
    private static bool HasV6Address() => Addresses().Any(address => address.AddressFamily == AddressFamily.InterNetworkV6 && !address.IsIPv6LinkLocal && !IPAddress.IsLoopback(address));

    private static IEnumerable<IPAddress> Addresses() =>
        NetworkInterface.GetAllNetworkInterfaces().SelectMany(card => card.GetIPProperties().UnicastAddresses).Select(unicast => unicast.Address);

    private static async Task<(int Exit, string Output, string Error)> ToolAsync(string name, IReadOnlyList<string> arguments, string input, CancellationToken cancel)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(ToolTimeout);
        try
        {
            using var process = Process.Start(new ProcessStartInfo(name, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })
                ?? throw new InvalidOperationException($"{name} did not start");
            var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
            var error = process.StandardError.ReadToEndAsync(deadline.Token);
            await process.StandardInput.WriteAsync(input.AsMemory(), deadline.Token);
            process.StandardInput.Close();
            await process.WaitForExitAsync(deadline.Token);
            return (process.ExitCode, await output, (await error).Trim());
        }
        catch (Win32Exception e)
        {
            return (127, "", $"{name}: {e.Message}");
        }
        catch (IOException e)
        {
            return (1, "", $"{name}: {e.Message}"); // it ended before it had read its input; its exit code says as much
        }
    }
}
