namespace Mesh.Cli.Frame;

/// <summary>What the process answers its caller; CI scripts rely on these numbers (they are istioctl's).</summary>
internal static class ExitCode
{
    public const int Fine = 0;
    public const int Failed = 1;
    public const int Usage = 64;
    public const int UnreadableInput = 65;
    public const int FindingsAtThreshold = 79;
}
