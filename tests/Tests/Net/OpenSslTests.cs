using Mesh.Net.Tls;
using Mesh.Net.Tls.OpenSsl;
using Mesh.Sim.Net;
using Mesh.Tests.Net.Contract;

namespace Mesh.Tests.Net;

public sealed class OpenSslConnectionTests : ConnectionContract
{
    protected override IConnectionRig CreateRig() => new TlsRig(new MemoryRig(SimConditions.Calm), new OpenSslProvider(new SimClock()));
}

public sealed class RoughOpenSslConnectionTests : ConnectionContract
{
    protected override IConnectionRig CreateRig() =>
        new TlsRig(new MemoryRig(SimConditions.Rough with { WindowBytes = 4096, SegmentBytesMax = 1500 }), new OpenSslProvider(new SimClock()));
}

public sealed class OpenSslTls12ConnectionTests : ConnectionContract
{
    protected override IConnectionRig CreateRig() =>
        new TlsRig(new MemoryRig(SimConditions.Calm), new OpenSslProvider(new SimClock()), TlsVersion.Tls12);
}

public sealed class OpenSslTests : TlsContract
{
    protected override TlsProvider Provider { get; } = new OpenSslProvider(new SimClock());

    protected override IConnectionRig CreateRig() => new MemoryRig(SimConditions.Calm);
}

/// <summary>The same handshakes a few bytes at a time.</summary>
public sealed class RoughOpenSslTests : TlsContract
{
    protected override TlsProvider Provider { get; } = new OpenSslProvider(new SimClock());

    protected override IConnectionRig CreateRig() => new MemoryRig(SimConditions.Rough);
}
