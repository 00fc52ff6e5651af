using Mesh.Proxy.Config;

namespace Mesh.Proxy.Observe;

/// <summary>Makes a listener's logs and tags ready before it serves, so that a bad operator or expression refuses the listener by name, and never a request.</summary>
internal static class Formats
{
    /// <returns>Null when all can be read.</returns>
    public static string? Refusal(Listener listener)
    {
        try
        {
            foreach (var log in listener.AccessLogs) AccessLog.Of(log);
            foreach (var chain in listener.DefaultChain is { } last ? listener.Chains.Append(last) : listener.Chains)
            {
                foreach (var log in chain.Tcp?.AccessLogs ?? []) AccessLog.Of(log);
                foreach (var log in chain.Http?.AccessLogs ?? []) AccessLog.Of(log);
                foreach (var tag in chain.Http?.Tracing?.Tags ?? []) LineFormat.Of(tag.Format);
            }
            return null;
        }
        catch (ConfigRefusedException e)
        {
            return $"Listener '{listener.Name}': {e.Why}";
        }
    }
}
