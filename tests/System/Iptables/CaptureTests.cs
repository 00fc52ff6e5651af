namespace Mesh.SystemTests.Iptables;

/// <summary>Real packets through real rules, by the script and by the binary alike.</summary>
public sealed class CaptureTests
{
    private const int App = 1000;
    private const string PodRules = "-p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -x '' -b '*' -d 15090,15021,15020";

    /// <summary>Who writes the rules.</summary>
    public static TheoryData<string> Writers => ["script", "binary", "nft"];

    [Theory, MemberData(nameof(Writers))]
    public void Calls_into_the_pod_reach_the_proxy_with_their_destination(string writer)
    {
        using var network = Redirected(writer, PodRules);

        Assert.Equal("inbound 10.77.0.2:8080", PodNetwork.Call(network.Outside, App, PodNetwork.PodAddress, 8080));
        Assert.Equal("application", PodNetwork.Call(network.Outside, App, PodNetwork.PodAddress, 15020)); // excluded: the kubelet's questions
        Assert.Equal("application", PodNetwork.Call(network.Pod, PodNetwork.ProxyUser, PodNetwork.PodAddress, 8080, source: "127.0.0.6")); // the proxy hands over
    }

    [Theory, MemberData(nameof(Writers))]
    public void Calls_out_of_the_pod_reach_the_proxy_and_the_proxys_own_calls_leave(string writer)
    {
        using var network = Redirected(writer, PodRules);

        Assert.Equal("outbound 10.77.0.1:80", PodNetwork.Call(network.Pod, App, PodNetwork.OutsideAddress, 80));
        Assert.Equal("outside", PodNetwork.Call(network.Pod, PodNetwork.ProxyUser, PodNetwork.OutsideAddress, 80));
    }

    [Theory, MemberData(nameof(Writers))]
    public void Within_the_pod_only_the_proxy_is_led_back_to_itself(string writer)
    {
        using var network = Redirected(writer, PodRules);

        Assert.Equal("application", PodNetwork.Call(network.Pod, App, "127.0.0.1", 8080));
        Assert.Equal("application", PodNetwork.Call(network.Pod, App, PodNetwork.PodAddress, 8080));
        Assert.Equal("application", PodNetwork.Call(network.Pod, PodNetwork.ProxyUser, "127.0.0.1", 8080));
        // The pod calls a service whose endpoint is the pod itself: out by the proxy, in by the front door.
        Assert.Equal("inbound 10.77.0.2:8080", PodNetwork.Call(network.Pod, PodNetwork.ProxyUser, PodNetwork.PodAddress, 8080));
    }

    [Theory, MemberData(nameof(Writers))]
    public void What_is_excluded_leaves_as_it_is(string writer)
    {
        using var network = Redirected(writer, $"-u 1337 -i '*' -x {PodNetwork.OtherAddress}/32 -b 9090 -o 5432");

        Assert.Equal("outside", PodNetwork.Call(network.Pod, App, PodNetwork.OtherAddress, 80));
        Assert.Equal("outside", PodNetwork.Call(network.Pod, App, PodNetwork.OutsideAddress, 5432));
        Assert.Equal("outbound 10.77.0.1:80", PodNetwork.Call(network.Pod, App, PodNetwork.OutsideAddress, 80));
        Assert.Equal("application", PodNetwork.Call(network.Outside, App, PodNetwork.PodAddress, 8080)); // only 9090 is included
    }

    [Theory, MemberData(nameof(Writers))]
    public void Only_the_included_ranges_and_ports_are_captured(string writer)
    {
        using var network = Redirected(writer, $"-u 1337 -i {PodNetwork.OtherAddress}/32 -q 5432 -b '*'");

        Assert.Equal("outbound 10.88.0.1:80", PodNetwork.Call(network.Pod, App, PodNetwork.OtherAddress, 80));
        Assert.Equal("outbound 10.77.0.1:5432", PodNetwork.Call(network.Pod, App, PodNetwork.OutsideAddress, 5432));
        Assert.Equal("outside", PodNetwork.Call(network.Pod, App, PodNetwork.OutsideAddress, 80));
    }

    [Theory, MemberData(nameof(Writers))]
    public void IPv6_is_captured_like_IPv4(string writer)
    {
        using var network = Redirected(writer, PodRules + " --ipv6=true");

        Assert.Equal("inbound [fd77::2]:8080", PodNetwork.Call(network.Outside, App, PodNetwork.PodAddressV6, 8080));
        Assert.Equal("outbound [fd77::1]:80", PodNetwork.Call(network.Pod, App, PodNetwork.OutsideAddressV6, 80));
        Assert.Equal("outside", PodNetwork.Call(network.Pod, PodNetwork.ProxyUser, PodNetwork.OutsideAddressV6, 80));
        Assert.Equal("application", PodNetwork.Call(network.Pod, App, "::1", 8080));
        Assert.Equal("outbound 10.77.0.1:80", PodNetwork.Call(network.Pod, App, PodNetwork.OutsideAddress, 80));
    }

    [Theory, MemberData(nameof(Writers))]
    public void Tproxy_captures_what_comes_in_and_keeps_the_callers_address(string writer)
    {
        using var network = Redirected(writer, PodRules.Replace("REDIRECT", "TPROXY", StringComparison.Ordinal));

        Assert.Equal("inbound 10.77.0.2:8080", PodNetwork.Call(network.Outside, App, PodNetwork.PodAddress, 8080));
        Assert.Equal("application", PodNetwork.Call(network.Outside, App, PodNetwork.PodAddress, 15020));
        Assert.Equal("outbound 10.77.0.1:80", PodNetwork.Call(network.Pod, App, PodNetwork.OutsideAddress, 80));
        Assert.Equal("application", PodNetwork.Call(network.Pod, App, PodNetwork.PodAddress, 8080));
    }

    [Theory, MemberData(nameof(Writers))]
    public void Dns_questions_reach_the_proxy_and_its_own_leave(string writer)
    {
        using var network = Redirected(writer, PodRules + $" --redirect-dns --dns-servers={PodNetwork.OutsideAddress}");

        Assert.True(network.DatagramArrives(App, PodNetwork.OutsideAddress, 53, listenOn: 15053));
        Assert.False(network.DatagramArrives(PodNetwork.ProxyUser, PodNetwork.OutsideAddress, 53, listenOn: 15053));
        Assert.False(network.DatagramArrives(App, PodNetwork.OtherAddress, 53, listenOn: 15053)); // not one of the pod's servers
    }

    [Theory, MemberData(nameof(Writers))]
    public void Without_rules_everything_is_as_it_was(string writer)
    {
        using var network = Redirected(writer, PodRules);
        Write(network.Pod, writer, PodRules + " --cleanup-only");

        Assert.Equal("application", PodNetwork.Call(network.Outside, App, PodNetwork.PodAddress, 8080));
        Assert.Equal("outside", PodNetwork.Call(network.Pod, App, PodNetwork.OutsideAddress, 80));
        Assert.DoesNotContain("ISTIO", network.Pod.Tool("iptables-save"), StringComparison.Ordinal);
        Assert.DoesNotContain("istio", network.Pod.Tool("nft list tables"), StringComparison.Ordinal);
    }

    [Fact]
    public void Validation_sees_whether_the_redirection_is_there()
    {
        Assert.SkipWhen(NetworkSpace.Missing is not null, NetworkSpace.Missing ?? "");
        using var pod = new NetworkSpace();
        // istio-validation runs as the proxy's own user: its calls are the ones that are led back in.
        const string validate = "setpriv --reuid=1337 --regid=1337 --clear-groups";

        Assert.Equal(126, pod.TryTool($"{validate} {Programs.Proxy} istio-iptables --run-validation --skip-rule-apply --probe-timeout=1s").Exit);

        Write(pod, "binary", PodRules);
        var (exit, _, error) = pod.TryTool($"{validate} {Programs.Proxy} istio-iptables --run-validation --skip-rule-apply --probe-timeout=5s");
        Assert.True(exit == 0, error);
    }

    internal static void Write(NetworkSpace space, string writer, string options, IReadOnlyDictionary<string, string>? environment = null) => space.Tool(writer switch
    {
        "script" => $"sh {Programs.Root}/iptables/redirect.sh {options}",
        "nft" => $"{Programs.Proxy} istio-iptables --native-nftables {options}",
        _ => $"{Programs.Proxy} istio-iptables {options}",
    }, environment: environment);

    private static PodNetwork Redirected(string writer, string options)
    {
        Assert.SkipWhen(NetworkSpace.Missing is not null, NetworkSpace.Missing ?? "");
        var network = new PodNetwork();
        Write(network.Pod, writer, options.Contains("--ipv6", StringComparison.Ordinal) ? options : options + " --ipv6=false");
        return network;
    }
}
