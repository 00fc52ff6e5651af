using System.Runtime.InteropServices;

namespace Mesh.Net.Epoll;

/// <summary>The Linux calls of the loop, and the numbers that go with them (the same on x86-64 and arm64 unless said).</summary>
internal static unsafe partial class Libc
{
    internal const int AfUnix = 1, AfInet = 2, AfInet6 = 10;
    internal const int SockStream = 1, SockDgram = 2, SockNonBlock = 0x800, SockCloexec = 0x80000;
    internal const int SolIp = 0, SolSocket = 1, SolTcp = 6, SolIpv6 = 41;
    internal const int SoReuseAddr = 2, SoError = 4, SoKeepAlive = 9, SoLinger = 13, SoReusePort = 15, SoMark = 36;
    internal const int TcpNoDelay = 1, TcpKeepIdle = 4, TcpKeepInterval = 5, TcpKeepCount = 6;
    internal const int IpTransparent = 19, IpBindAddressNoPort = 24, Ipv6Only = 26, Ipv6Transparent = 75, SoOriginalDst = 80;
    internal const int MsgNoSignal = 0x4000;
    internal const int ShutWrite = 1;
    internal const uint EpollIn = 0x1, EpollOut = 0x4, EpollErr = 0x8, EpollHup = 0x10, EpollRdHup = 0x2000, EpollEdge = 1u << 31;
    internal const int EpollAdd = 1, EpollDelete = 2, EpollModify = 3, EpollCloexec = 0x80000;
    internal const int EventFdFlags = 0x80000 | 0x800;
    internal const uint SpliceMove = 1, SpliceNonBlock = 2;
    internal const int PipeFlags = 0x80000 | 0x800, FSetPipeSize = 1031;

    internal const int AdviseDontNeed = 4;

    internal const int EInterrupted = 4, EAgain = 11, ENoMemory = 12, EFileTableFull = 23, ETooManyFiles = 24, EPipe = 32;
    internal const int EAddressInUse = 98, EAddressNotAvailable = 99, ENoBuffers = 105, ETimedOut = 110, ERefused = 111, EInProgress = 115;

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    internal static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    internal static partial int EpollControl(int epoll, int operation, int fd, byte* @event);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    internal static partial int EpollWait(int epoll, byte* events, int eventsMax, int timeoutMs);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    internal static partial int EventFd(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    internal static partial int Socket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    internal static partial int Bind(int fd, byte* address, int length);

    [LibraryImport("libc", EntryPoint = "listen", SetLastError = true)]
    internal static partial int Listen(int fd, int backlog);

    [LibraryImport("libc", EntryPoint = "accept4", SetLastError = true)]
    internal static partial int Accept(int fd, byte* address, int* length, int flags);

    [LibraryImport("libc", EntryPoint = "connect", SetLastError = true)]
    internal static partial int Connect(int fd, byte* address, int length);

    [LibraryImport("libc", EntryPoint = "getsockname", SetLastError = true)]
    internal static partial int GetLocalAddress(int fd, byte* address, int* length);

    [LibraryImport("libc", EntryPoint = "getsockopt", SetLastError = true)]
    internal static partial int GetOption(int fd, int level, int name, byte* value, int* length);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    internal static partial int SetOption(int fd, int level, int name, byte* value, int length);

    [LibraryImport("libc", EntryPoint = "shutdown", SetLastError = true)]
    internal static partial int Shutdown(int fd, int how);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    internal static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    internal static partial nint Read(int fd, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    internal static partial nint Write(int fd, byte* buffer, nint count);

    // The two calls of every request, on sockets that never block: no transition of the garbage collector around them, so that errno is still there behind them.
    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "send")]
    internal static partial nint Send(int fd, byte* buffer, nint count, int flags);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "recv")]
    internal static partial nint Receive(int fd, byte* buffer, nint count, int flags);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "__errno_location")]
    private static partial int* ErrorLocation();

    /// <summary>Behind <see cref="Send"/> and <see cref="Receive"/>, at once.</summary>
    internal static int SocketError => *ErrorLocation();

    /// <summary>Once before the first use: looking a function up writes to errno.</summary>
    internal static void Prepare() => ErrorLocation();

    [LibraryImport("libc", EntryPoint = "recvfrom", SetLastError = true)]
    internal static partial nint ReceiveFrom(int fd, byte* buffer, nint count, int flags, byte* address, int* length);

    [LibraryImport("libc", EntryPoint = "sendto", SetLastError = true)]
    internal static partial nint SendTo(int fd, byte* buffer, nint count, int flags, byte* address, int length);

    [LibraryImport("libc", EntryPoint = "splice", SetLastError = true)]
    internal static partial nint Splice(int from, nint* fromOffset, int to, nint* toOffset, nint count, uint flags);

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    internal static partial int Pipe(int* ends, int flags);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    internal static partial int Control(int fd, int command, nint argument);

    [LibraryImport("libc", EntryPoint = "madvise")]
    internal static partial int Advise(nint start, nint length, int advice);

    [LibraryImport("libc", EntryPoint = "mallopt")]
    internal static partial int MallocOption(int option, int value);

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    internal static partial int MallocTrim(nint keepBytes);

    internal static int LastError => Marshal.GetLastPInvokeError();

    /// <returns>False when the kernel refuses; <see cref="LastError"/> says why.</returns>
    internal static bool TrySetOption(int fd, int level, int name, int value) =>
        SetOption(fd, level, name, (byte*)&value, sizeof(int)) == 0;

    internal static string Describe(int error) => $"{Marshal.GetPInvokeErrorMessage(error)} (errno {error})";
}
