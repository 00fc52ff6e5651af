using Mesh.Net;

namespace Mesh.Tests.Net.Contract;

/// <summary>One way to get connected pairs on one loop: what the contract's tests run over.</summary>
public interface IConnectionRig : IDisposable
{
    Loop Loop { get; }

    /// <summary>False where the layer above the bytes (TLS) has its own idea of an end or a break.</summary>
    bool IsPlain { get; }

    /// <summary>Runs a flow on the loop to its end; fails when it takes too long.</summary>
    void Run(Func<ValueTask> flow);

    ValueTask<(Connection Client, Connection Server)> PairAsync();
}
