using System.Numerics;

namespace Mesh.Net;

/// <summary>
/// The loop's buffers, by power of two, last returned first given: it is the one still in the CPU's cache. Loop thread only.
/// Arrays live on the pinned heap, so that native code may hold their addresses without pinning.
/// </summary>
public sealed class BufferPool
{
    /// <summary>For the rest of a head whose sender is slow.</summary>
    public const int SmallBytes = 1024;

    /// <summary>One TLS record, one read.</summary>
    public const int UsualBytes = 16 * 1024;

    private const int LargestKeptBytes = 256 * 1024;
    private const int KeptBytesMax = 16 * 1024 * 1024;

    private static readonly int SmallestShift = BitOperations.Log2(SmallBytes);

    private readonly Stack<byte[]>[] _free = CreateStacks();

    /// <summary>Bytes that wait here for their next use.</summary>
    public int KeptBytes { get; private set; }

    /// <summary>Bytes in use by queues right now.</summary>
    public long RentedBytes { get; private set; }

    /// <returns>At least that long; its content is whatever it was.</returns>
    public byte[] Rent(int bytesMin)
    {
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(bytesMin, SmallBytes));
        RentedBytes += size;
        if (size > LargestKeptBytes) return GC.AllocateUninitializedArray<byte>(size);
        if (!Free(size).TryPop(out var buffer)) return GC.AllocateUninitializedArray<byte>(size, pinned: true);

        KeptBytes -= size;
        return buffer;
    }

    public void Return(byte[] buffer)
    {
        RentedBytes -= buffer.Length;
        if (buffer.Length > LargestKeptBytes || KeptBytes + buffer.Length > KeptBytesMax) return;

        KeptBytes += buffer.Length;
        Free(buffer.Length).Push(buffer);
    }

    /// <summary>Lets go of all that waits for its next use.</summary>
    public void Trim()
    {
        foreach (var free in _free) free.Clear();
        KeptBytes = 0;
    }

    private Stack<byte[]> Free(int size) => _free[BitOperations.Log2((uint)size) - SmallestShift];

    private static Stack<byte[]>[] CreateStacks()
    {
        var stacks = new Stack<byte[]>[BitOperations.Log2(LargestKeptBytes) - SmallestShift + 1];
        for (var i = 0; i < stacks.Length; i++) stacks[i] = new();
        return stacks;
    }
}
