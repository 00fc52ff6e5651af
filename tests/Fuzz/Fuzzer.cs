using System.Text;

namespace Mesh.Fuzz;

/// <summary>A target: throws when a promise is broken; otherwise tells in a few words what the input came to.</summary>
internal sealed record Fuzzer(string Name, string What, Func<byte[], string> Run, byte[][] Corpus, byte[][] Tokens)
{
    public static byte[][] Bytes(params string[] texts) => Array.ConvertAll(texts, Encoding.Latin1.GetBytes);

    public static void Promise(bool holds, string what)
    {
        if (!holds) throw new BrokenPromiseException(what);
    }
}

internal sealed class BrokenPromiseException : Exception
{
    public BrokenPromiseException() { }

    public BrokenPromiseException(string message) : base(message) { }

    public BrokenPromiseException(string message, Exception inner) : base(message, inner) { }
}
