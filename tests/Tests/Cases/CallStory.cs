using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Mesh.Model.Translate;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Sim.Net;
using Mesh.Tests.Proxy;
using SnapshotBuilder = Mesh.Proxy.Config.SnapshotBuilder;

namespace Mesh.Tests.Cases;

/// <summary>
/// The calls of a story: the caller's configuration as the real translator makes it, read by the real proxy, served by the real router over a network in
/// memory in virtual time, with a seed. Lines are a state, <c>reviews-v1 answers 503</c> (<c>waits 2s</c>, <c>never answers</c>, <c>is down</c>, <c>closes after each</c>,
/// <c>drops second calls</c> of a connection), or a call, <c>GET reviews:9080/x {name: value} ×400  →  outcome</c> or <c>TCP db:5432  →  outcome</c>. Identities are left out: everything is in plain text here.
/// </summary>
internal sealed class CallStory : IDisposable
{
    private const int Seed = 7;
    private const string Arrow = "  →  ";

    private static readonly Regex Share = new("≈([0-9]+)%", RegexOptions.NonBacktracking);

    private static readonly string[] Usual =
    [
        "host", "x-forwarded-proto", "x-request-id", "x-envoy-attempt-count", "x-envoy-expected-rq-timeout-ms", "x-envoy-peer-metadata", "x-envoy-peer-metadata-id", "x-envoy-decorator-operation",
        "server", "date", "content-length", "content-type", "x-envoy-upstream-service-time", "connection", "user-agent", "x-envoy-original-path", "x-envoy-original-host", "x-envoy-internal", "x-forwarded-for", "transfer-encoding",
    ];

    private readonly ProxyRig rig = new(SimConditions.Calm, Seed);
    private readonly IReadOnlyDictionary<string, string> pods;
    private readonly Dictionary<string, (string How, TimeSpan Wait)> states = [];
    private readonly List<(string Pod, string Head)> seen = [];
    private readonly StoryEntry entry;

    private CallStory(CaseWorld world, StoryEntry entry)
    {
        pods = world.PodsByAddress;
        this.entry = entry;
        var builder = new SnapshotBuilder(rig.Loop.Clock);
        var configuration = entry.Configuration;
        foreach (var set in new[] { configuration.Clusters, configuration.Endpoints, configuration.Routes })
            foreach (var resource in set.All)
            {
                var (record, refusal) = ResourceFromXds.Decode(resource.TypeUrl, resource.Name, resource.Body);
                Assert.Null(refusal);
                builder.Put(resource.Name, record is Cluster cluster ? entry.Adapt(cluster) : record!);
            }
        builder.TryBuild(out var snapshot);
        StartServers(snapshot);
        rig.Use(snapshot with { Listeners = entry.Listeners.ToImmutableDictionary(listener => listener.Name) });
    }

    public static string Run(CaseWorld world, StoryEntry entry, string text)
    {
        using var story = new CallStory(world, entry);
        return string.Join('\n', text.TrimEnd().Split('\n').Select(story.Line));
    }

    /// <summary>Shares may differ by some points: they are chance, though the seed makes it the same chance each time.</summary>
    public static bool Agree(string expected, string told)
    {
        const int PointsMax = 8;
        static int[] Shares(string text) => [.. Share.Matches(text).Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture))];
        return Share.Replace(expected.TrimEnd(), "") == Share.Replace(told, "") && Shares(expected).Zip(Shares(told), (a, b) => Math.Abs(a - b)).All(points => points <= PointsMax);
    }

    public void Dispose() => rig.Dispose();

    private string Line(string line)
    {
        var asked = line.Split("→")[0].TrimEnd();
        if (asked.Length == 0 || asked[0] == '#') return line;
        var words = asked.Split(' ', 3);
        if (!words[0].Any(char.IsAsciiLetterLower)) return asked + Arrow + Calls(asked);

        states[words[0]] = words is [_, "waits", var time] ? ("waits", Span(time)) : (words[1] == "answers" && words.Length > 2 ? words[2] : $"{words[1]} {words.ElementAtOrDefault(2)}", default);
        foreach (var (address, pod) in pods)
            if (pod == words[0] && states[pod].How == "is down") rig.Network.Unreachable(IPAddress.Parse(address));
        return line;
    }

    private string Calls(string asked)
    {
        var headers = new List<string>();
        var tokens = new List<string>();
        var rest = Regex.Replace(asked, @"\{([^}]*)\}", match =>
        {
            var written = match.Groups[1].Value;
            if (written.StartsWith("token ", StringComparison.Ordinal)) tokens.Add($"authorization: {StoryToken.Of(written["token ".Length..], rig.Network.Clock.GetUtcNow())}");
            else headers.Add(written);
            return "";
        });
        var words = rest.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var (method, target) = (words[0], words[1]);
        var slash = target.IndexOf('/', StringComparison.Ordinal);
        var (authority, path) = slash < 0 ? (target, "/") : (target[..slash], target[slash..]);
        var times = words.Length > 2 ? int.Parse(words[2].TrimStart('×'), CultureInfo.InvariantCulture) : 1;
        if (entry.PortFor(authority) is not { } port) return "nobody listens";
        if (method == "TCP") return One(port, "GET", authority, path, []) is { Body.Length: > 0 } answer ? answer.Body : "closed";
        if (times == 1) return Whole(One(port, method, authority, path, [.. headers, .. tokens]), authority, path, headers);

        var outcomes = Enumerable.Range(0, times).Select(_ => One(port, method, authority, path, [.. headers, .. tokens])).Select(Short).GroupBy(o => o)
            .Select(g => (Outcome: g.Key, Percent: (int)Math.Round(20.0 * g.Count() / times) * 5)).Where(o => o.Percent > 0);
        return string.Join(", ", outcomes.OrderBy(o => o.Outcome, StringComparer.Ordinal).Select(o => $"{o.Outcome} ≈{o.Percent}%"));
    }

    private Answer One(int port, string method, string authority, string path, List<string> headers)
    {
        seen.Clear();
        var began = rig.Network.Clock.GetTimestamp();
        var text = "";
        rig.Run(async () =>
        {
            var (connection, _) = await rig.Loop.Transport.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(1)));
            var wire = new Wire(connection!);
            await wire.WriteAsync($"{method} {path} HTTP/1.1\r\nHost: {authority}\r\n{string.Concat(headers.Select(header => header + "\r\n"))}\r\n");
            text = await wire.ReadResponseAsync();
            connection!.Close();
        });
        // A shadow of the request may still be on its way.
        rig.Network.Settle();
        return new(text, [.. seen], TimeSpan.FromTicks((rig.Network.Clock.GetTimestamp() - began) / 100));
    }

    private static string Short(Answer answer) => answer.Body.Length > 0 && !answer.Body.Contains(' ', StringComparison.Ordinal) ? $"{answer.Status} {answer.Body}" : answer.Status;

    private static string Whole(Answer answer, string authority, string path, List<string> sent)
    {
        // Which pod it was that failed is chance where there are several.
        var told = new List<string> { Short(answer) == answer.Status && answer.Body.Length > 0 ? $"{answer.Status} \"{answer.Body}\"" : answer.Status[0] < '4' ? Short(answer) : answer.Status };
        var real = answer.Seen.Where(s => !IsCopy(s, answer)).ToList();
        if (real.Count > 1) told.Add($"{real.Count} tries");
        if (answer.Elapsed >= TimeSpan.FromMilliseconds(900)) told.Add(string.Create(CultureInfo.InvariantCulture, $"after {answer.Elapsed.TotalSeconds:0.0}s"));
        if (real is [.., var last])
        {
            var target = last.Head.Split(' ')[1];
            if (target != path) told.Add($"path {target}");
            if (Field(last.Head, "host") is var host && host != authority) told.Add($"host {host}");
            told.AddRange(Unusual(last.Head).Except(sent, StringComparer.OrdinalIgnoreCase).Select(field => $"sees {field}"));
            told.AddRange(sent.Where(field => !Unusual(last.Head).Contains(field, StringComparer.OrdinalIgnoreCase)).Select(field => $"no longer {field}"));
        }
        told.AddRange(answer.Seen.Except(real).Select(s => $"copy to {s.Pod}"));
        told.AddRange(Unusual(answer.Text).Select(field => $"gives {field}"));
        return string.Join("; ", told);
    }

    /// <summary>A shadow is the same try once more, at a pod that did not answer the caller.</summary>
    private static bool IsCopy((string Pod, string Head) one, Answer answer) =>
        one.Pod != answer.Body && answer.Seen.Any(other => other != one && other.Pod == answer.Body && Field(other.Head, "x-envoy-attempt-count") == Field(one.Head, "x-envoy-attempt-count"));

    private static string Field(string head, string name) =>
        head.Split("\r\n").FirstOrDefault(line => line.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase)) is { } line ? line[(name.Length + 1)..].Trim() : "";

    private static IEnumerable<string> Unusual(string message) => message.Split("\r\n\r\n")[0].Split("\r\n").Skip(1).Where(line => line.Contains(':', StringComparison.Ordinal))
        .Where(line => !Usual.Contains(line.Split(':')[0].ToLowerInvariant()));

    private void StartServers(Snapshot snapshot)
    {
        var addresses = snapshot.Endpoints.Values.Concat(snapshot.Clusters.Values.Select(cluster => cluster.Endpoints).OfType<ClusterEndpoints>())
            .SelectMany(all => all.Localities).SelectMany(place => place.Endpoints).Select(endpoint => endpoint.Address.Ip).OfType<IPEndPoint>().Distinct().ToList();
        if (addresses.Count == 0) return;

        var loop = rig.Network.CreateLoop(rig.Network.Host("pods", [.. addresses.Select(address => address.Address.ToString()).Distinct()]));
        rig.Network.Run(loop, () =>
        {
            foreach (var address in addresses) _ = AcceptAsync(loop.Transport.Listen(address), pods.GetValueOrDefault(address.Address.ToString()) ?? address.ToString());
            return default;
        });
    }

    private async Task AcceptAsync(Acceptor acceptor, string pod)
    {
        while (await acceptor.AcceptAsync(Deadline.Never) is { Connection: { } connection }) _ = ServeAsync(new(connection), pod);
    }

    private async Task ServeAsync(Wire wire, string pod)
    {
        for (var calls = 1; await wire.ReadHeadAsync() is { Length: > 0 } head; calls++)
        {
            seen.Add((pod, head));
            var (how, wait) = states.GetValueOrDefault(pod, ("200", default));
            if (how == "drops second calls" && calls > 1) break;
            if (how.StartsWith("never", StringComparison.Ordinal)) wait = TimeSpan.FromHours(1);
            if (how is "resets ") break;
            if (wait > TimeSpan.Zero) await wire.Connection.Loop.Delay(wait);
            var status = int.TryParse(how, out _) ? how : "200";
            await wire.WriteAsync($"HTTP/1.1 {status} X\r\ncontent-length: {pod.Length}\r\n\r\n{pod}");
            if (how == "closes after each")
            {
                await wire.Connection.CloseGentlyAsync(Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(1)));
                return;
            }
        }
        wire.Connection.Abort();
    }

    private static TimeSpan Span(string text) => text.EndsWith("ms", StringComparison.Ordinal)
        ? TimeSpan.FromMilliseconds(int.Parse(text[..^2], CultureInfo.InvariantCulture)) : TimeSpan.FromSeconds(double.Parse(text[..^1], CultureInfo.InvariantCulture));

    private sealed record Answer(string Text, IReadOnlyList<(string Pod, string Head)> Seen, TimeSpan Elapsed)
    {
        public string Status => Text.Split(' ') is [_, var status, ..] ? status : "no answer";
        public string Body => Text.Contains("\r\n\r\n", StringComparison.Ordinal) ? Text[(Text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..] : "";
    }
}
