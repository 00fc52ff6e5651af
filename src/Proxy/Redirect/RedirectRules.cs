namespace Mesh.Proxy.Redirect;

/// <summary>
/// The redirection, rule by rule, in the order in which a packet meets it (iptables/README.md draws its way).
/// Pure: options in, rules of one family out.
/// </summary>
internal sealed class RedirectRules
{
    private const string Output = "ISTIO_OUTPUT";
    private const string OutputDns = "ISTIO_OUTPUT_DNS";
    private const string Inbound = "ISTIO_INBOUND";
    private const string ToOutbound = "ISTIO_REDIRECT";
    private const string ToInbound = "ISTIO_IN_REDIRECT";
    private const string DnsPort = "15053";
    private const string OutboundMark = "1338"; // the proxy's own calls to the pod's address, in TPROXY mode

    private readonly RedirectOptions options;
    private readonly bool v6;
    private readonly bool dns;
    private readonly List<RedirectRule> rules = [];

    private RedirectRules(RedirectOptions options, bool v6)
    {
        this.options = options;
        this.v6 = v6;
        dns = options.RedirectDns && (options.CaptureAllDns || options.DnsServersV4.Length + options.DnsServersV6.Length > 0);
    }

    public static IReadOnlyList<RedirectRule> Build(RedirectOptions options, bool v6)
    {
        var built = new RedirectRules(options, v6);
        built.ExcludedInterfaces();
        foreach (var name in options.VirtualInterfaces) built.Insert("PREROUTING", "nat", 1, "-i", name, "-j", "RETURN");
        built.DropInvalid();
        built.InboundCapture();
        built.OutboundCapture();
        if (options.Tproxy) built.TproxyMarks();
        return built.rules;
    }

    private string Loopback => v6 ? "::1/128" : options.LoopbackRange;
    private string PassThroughSource => v6 ? "::6/128" : "127.0.0.6/32"; // the proxy's own calls to the application

    private void ExcludedInterfaces()
    {
        foreach (var table in options.Tproxy ? (string[])["nat", "mangle"] : ["nat"])
            foreach (var name in options.ExcludedInterfaces)
            {
                Append("PREROUTING", table, "-i", name, "-j", "RETURN");
                Append("OUTPUT", table, "-o", name, "-j", "RETURN");
            }
    }

    private void DropInvalid()
    {
        if (!options.DropInvalid) return;
        Append("PREROUTING", "mangle", "-m", "conntrack", "--ctstate", "INVALID", "-j", "ISTIO_DROP");
        Append("ISTIO_DROP", "mangle", "-j", "DROP");
    }

    private void InboundCapture()
    {
        Append(Inbound, "nat", "-p", "tcp", "--dport", options.TunnelPort, "-j", "RETURN");
        Append(ToOutbound, "nat", "-p", "tcp", "-j", "REDIRECT", "--to-ports", options.ProxyPort);
        Append(ToInbound, "nat", "-p", "tcp", "-j", "REDIRECT", "--to-ports", options.InboundPort);
        if (options.InboundPortsInclude.Length == 0) return;

        var table = options.Tproxy ? "mangle" : "nat";
        if (options.Tproxy)
        {
            Append("ISTIO_DIVERT", "mangle", "-j", "MARK", "--set-mark", options.TproxyMark);
            Append("ISTIO_DIVERT", "mangle", "-j", "ACCEPT");
            Append("ISTIO_TPROXY", "mangle", "!", "-d", Loopback, "-p", "tcp", "-j", "TPROXY", "--tproxy-mark", options.TproxyMark + "/0xffffffff", "--on-port", options.InboundPort);
        }
        Append("PREROUTING", table, "-p", "tcp", "-j", Inbound);

        if (options.InboundPortsInclude == "*")
        {
            foreach (var port in options.InboundPortsExclude) Append(Inbound, table, "-p", "tcp", "--dport", port, "-j", "RETURN");
            CaptureInbound([]);
        }
        else
        {
            foreach (var port in RedirectOptions.List(options.InboundPortsInclude)) CaptureInbound(["--dport", port]);
        }
    }

    private void CaptureInbound(string[] port)
    {
        if (!options.Tproxy)
        {
            Append(Inbound, "nat", ["-p", "tcp", .. port, "-j", ToInbound]);
            return;
        }
        Append(Inbound, "mangle", ["-p", "tcp", .. port, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ISTIO_DIVERT"]);
        Append(Inbound, "mangle", ["-p", "tcp", .. port, "-j", "ISTIO_TPROXY"]);
    }

    private void OutboundCapture()
    {
        Append("OUTPUT", "nat", "-j", Output);
        foreach (var port in options.OutboundPortsExclude)
        {
            Append(Output, "nat", "-p", "tcp", "--dport", port, "-j", "RETURN");
            Append(Output, "nat", "-p", "udp", "--dport", port, "-j", "RETURN");
        }
        Append(Output, "nat", "-o", "lo", "-s", PassThroughSource, "-j", "RETURN");
        foreach (var user in options.ProxyUsers) OwnTraffic("--uid-owner", user, dnsAware: dns);
        foreach (var group in options.ProxyGroups) OwnTraffic("--gid-owner", group, dnsAware: false);
        OwnerGroups();
        if (dns) Dns();

        Append(Output, "nat", "-d", Loopback, "-j", "RETURN");
        foreach (var range in options.OutboundRangesExclude.Where(IsOurFamily)) Append(Output, "nat", "-d", range, "-j", "RETURN");
        foreach (var port in options.OutboundPortsInclude) Append(Output, "nat", "-p", "tcp", "--dport", port, "-j", ToOutbound);
        OutboundRanges();
    }

    /// <summary>
    /// The proxy's own packets: to a service's address that turns out to be this pod, they go in by the front door; everything else leaves as it is.
    /// The application's packets to itself over loopback stay untouched, unless the user wants loopback captured.
    /// </summary>
    private void OwnTraffic(string owner, string id, bool dnsAware)
    {
        string[] ports = dnsAware ? ["-m", "multiport", "!", "--dports", "53," + options.TunnelPort] : ["!", "--dport", options.TunnelPort];
        Append(Output, "nat", ["-o", "lo", "!", "-d", Loopback, "-p", "tcp", .. ports, "-m", "owner", owner, id, "-j", ToInbound]);
        if (!CapturesLoopback)
        {
            // A DNS server on localhost is still to be captured.
            string[] butDns = dns ? ["-p", "tcp", "!", "--dport", "53"] : [];
            Append(Output, "nat", ["-o", "lo", .. butDns, "-m", "owner", "!", owner, id, "-j", "RETURN"]);
        }
        Append(Output, "nat", "-m", "owner", owner, id, "-j", "RETURN");
    }

    private bool CapturesLoopback => RedirectOptions.List(options.OutboundRangesInclude)
        .Any(range => range != "*" && (range.StartsWith("127.", StringComparison.Ordinal) || range.StartsWith("::1/", StringComparison.Ordinal)));

    private void OwnerGroups()
    {
        if (options.OwnerGroupsInclude != "*")
        {
            var noneOf = RedirectOptions.List(options.OwnerGroupsInclude).SelectMany(group => (string[])["-m", "owner", "!", "--gid-owner", group]);
            Append(Output, "nat", [.. noneOf, "-j", "RETURN"]);
            return;
        }
        foreach (var group in options.OwnerGroupsExclude) Append(Output, "nat", "-m", "owner", "--gid-owner", group, "-j", "RETURN");
    }

    private void OutboundRanges()
    {
        if (options.OutboundRangesInclude == "*")
        {
            Append(Output, "nat", "-j", ToOutbound);
            foreach (var name in options.VirtualInterfaces) Insert("PREROUTING", "nat", 1, "-i", name, "-j", ToOutbound);
            return;
        }
        foreach (var range in RedirectOptions.List(options.OutboundRangesInclude).Where(IsOurFamily))
        {
            foreach (var name in options.VirtualInterfaces) Insert("PREROUTING", "nat", 1, "-i", name, "-d", range, "-j", ToOutbound);
            Append(Output, "nat", "-d", range, "-j", ToOutbound);
        }
    }

    /// <summary>
    /// Queries go to the proxy; its own questions to the real servers and its answers to the application get separate connection-tracking zones,
    /// or the kernel would take one's reply for the other's.
    /// </summary>
    private void Dns()
    {
        IReadOnlyList<string> servers = v6 ? options.DnsServersV6 : options.DnsServersV4;
        string[][] targets = options.CaptureAllDns ? [[]] : [.. servers.Select(server => (string[])["-d", server + (v6 ? "/128" : "/32")])];

        Append("OUTPUT", "raw", "-j", OutputDns);
        if (targets.Length > 0) Append(Output, "nat", "-j", OutputDns);
        foreach (var target in targets) Append(OutputDns, "nat", ["-p", "tcp", "--dport", "53", .. target, "-j", "REDIRECT", "--to-ports", DnsPort]);
        foreach (var target in targets) Append(OutputDns, "nat", ["-p", "udp", "--dport", "53", .. target, "-j", "REDIRECT", "--to-port", DnsPort]);

        foreach (var (owner, ids) in ((string, IEnumerable<string>)[])[("--uid-owner", options.ProxyUsers), ("--gid-owner", options.ProxyGroups)])
            foreach (var id in ids)
            {
                Append(OutputDns, "raw", "-p", "udp", "--dport", "53", "-m", "owner", owner, id, "-j", "CT", "--zone", "1");
                Append(OutputDns, "raw", "-p", "udp", "--sport", DnsPort, "-m", "owner", owner, id, "-j", "CT", "--zone", "2");
            }
        if (targets.Length > 0) Append("PREROUTING", "raw", "-j", Inbound);
        foreach (var target in targets)
        {
            Append(OutputDns, "raw", ["-p", "udp", "--dport", "53", .. target, "-j", "CT", "--zone", "2"]);
            Append(Inbound, "raw", ["-p", "udp", "--sport", "53", .. target.Select(word => word == "-d" ? "-s" : word), "-j", "CT", "--zone", "1"]);
        }
    }

    /// <summary>Marks carry over connections what REDIRECT would have written into them.</summary>
    private void TproxyMarks()
    {
        var mark = options.TproxyMark;
        Append("PREROUTING", "mangle", "-p", "tcp", "-m", "mark", "--mark", mark, "-j", "CONNMARK", "--save-mark");
        Append("OUTPUT", "mangle", "-p", "tcp", "-o", "lo", "-m", "mark", "--mark", mark, "-j", "RETURN");
        foreach (var (owner, ids) in ((string, IEnumerable<string>)[])[("--uid-owner", options.ProxyUsers), ("--gid-owner", options.ProxyGroups)])
            foreach (var id in ids)
                Append("OUTPUT", "mangle", "!", "-d", Loopback, "-p", "tcp", "-o", "lo", "-m", "owner", owner, id, "-j", "MARK", "--set-mark", OutboundMark);
        Append("OUTPUT", "mangle", "-p", "tcp", "-m", "connmark", "--mark", mark, "-j", "CONNMARK", "--restore-mark");
        Insert(Inbound, "mangle", 1, "-p", "tcp", "-m", "mark", "--mark", mark, "-j", "RETURN");
        Insert(Inbound, "mangle", 2, "-p", "tcp", "-s", PassThroughSource, "-i", "lo", "-j", "RETURN");
        Insert(Inbound, "mangle", 3, "-p", "tcp", "-i", "lo", "-m", "mark", "!", "--mark", OutboundMark, "-j", "RETURN");
    }

    private bool IsOurFamily(string range) => range.Contains(':', StringComparison.Ordinal) == v6;

    private void Append(string chain, string table, params string[] words) => rules.Add(new(table, chain, [.. words]));

    private void Insert(string chain, string table, int position, params string[] words) => rules.Add(new(table, chain, [.. words], position));
}
