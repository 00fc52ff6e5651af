namespace Mesh.ControlPlane.Ca;

/// <summary><c>mesh-istiod token</c>: writes an identity for a process of this machine, signed by the key in the state folder.</summary>
internal static class TokenCommand
{
    private const int UsageError = 64;

    public static int Run(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors, TimeProvider time)
    {
        string? state = null, space = null, account = null;
        var lifetime = TimeSpan.FromHours(24);
        for (var i = 0; i + 1 < arguments.Count; i += 2)
        {
            switch (arguments[i])
            {
                case "--state": state = arguments[i + 1]; break;
                case "--namespace": space = arguments[i + 1]; break;
                case "--service-account": account = arguments[i + 1]; break;
                case "--lifetime" when Model.Resources.Fields.TryDuration(arguments[i + 1], out var span) && span > TimeSpan.Zero: lifetime = span; break;
                default: return Fail(errors, $"{arguments[i]} {arguments[i + 1]} is not understood");
            }
        }
        if (state is null || space is null || account is null) return Fail(errors, "--state, --namespace and --service-account are needed");
        if (!CallerIdentity.IsName(space) || !CallerIdentity.IsName(account)) return Fail(errors, "namespace and service account are lower-case names");

        Directory.CreateDirectory(state);
        output.WriteLine(LocalTokens.Kept(state, time).Issue(new(space, account), lifetime));
        return 0;
    }

    private static int Fail(TextWriter errors, string problem)
    {
        errors.WriteLine($"mesh-istiod token: {problem}");
        return UsageError;
    }
}
