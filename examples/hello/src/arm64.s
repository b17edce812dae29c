// write(1, text, size); exit(0) with the system calls of linux/arm64.
        .globl  _start
_start: mov     x0, 1
        adr     x1, text
        mov     x2, size
        mov     x8, 64
        svc     0
        mov     x0, 0
        mov     x8, 93
        svc     0
text:   .ascii  "Hello from lreg!\n"
        .set    size, . - text
