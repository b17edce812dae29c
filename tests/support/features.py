"""Dockerfiles with what BuildKit has beyond the classic builder, for lreg to make the same of."""

from __future__ import annotations

FEATURES = {
    "linked": """
        FROM BASE
        COPY --link file /lib/
        COPY --link docs /srv/data/
        COPY --link --chown=5:6 program /tmp/deep/er/
        COPY --link file /users
        ADD --link plain.tar /opt/
    """,
    "linked-then-more": """
        FROM BASE AS one
        COPY --link file /lib/
        COPY program /lib/
        FROM scratch
        COPY --link --from=one /lib /lib
        COPY --from=one /usr /usr
    """,
    "parents-of-patterns": """
        FROM scratch
        COPY --parents docs/**/note docs/*.md ./lib/*.so /p/
        COPY --parents ./docs/./deep /q/
        COPY --parents docs/deep/er /r
    """,
    "excluded": """
        FROM scratch
        COPY --exclude=*.md --exclude=deep/er docs /x/
        COPY --exclude=**/skipped docs /y/
        COPY --exclude=docs . /z/
    """,
    "no-match": """
        FROM scratch
        COPY file /
        COPY *.nothing /nothing/
        COPY *.nothing a.txt /one/
        COPY --parents *.nothing docs/*.nope /two/
    """,
    "above-the-context": """
        FROM scratch
        COPY ../file ./../program /x/
        COPY docs/../a.txt /y/
    """,
    "variables-of-platforms": """
        ARG TARGETOS=ignored
        ARG GLOBAL=g LATER
        FROM --platform=$TARGETPLATFORM BASE AS one
        ARG TARGETARCH
        ARG BUILDOS TARGETVARIANT TARGETSTAGE
        ARG TARGETPLATFORM=own
        ARG GLOBAL
        ARG LATER=l
        LABEL a=$TARGETARCH b=$BUILDOS c="x$TARGETVARIANT" d=$TARGETPLATFORM e=$GLOBAL f=$LATER
        LABEL g=$TARGETSTAGE h="$TARGETOS"
        FROM one
        ARG GLOBAL=again
        LABEL e2=$GLOBAL f2="$LATER"
    """,
    "stages-by-number-and-name": """
        FROM scratch AS First
        COPY file /zero
        FROM scratch
        COPY program /one
        FROM scratch AS empty
        FROM scratch
        COPY --from=FIRST /zero /
        COPY --from=1 /one /
        COPY --from=first zero /relative
    """,
    "directives": """
        # escape=`
        # check=skip=all
        FROM scratch
        COPY file `
          program `
          /bin/
        ENV P=C:\\\\x Q="a`"b"
        LABEL one=two `
          # a comment in between
          three=four
    """,
    "heredocs-of-all-kinds": """
        FROM scratch
        ARG N=1
        COPY <<one.txt <<"two.txt" <<-three.txt /many/
        one $N ${N:-2} \\$N `x`
        one.txt
        two $N
        two.txt
        \t\tthree \t$N
        \tthree.txt
        COPY --chown=1:2 <<EOF /empty
        EOF
        COPY <<EOF file /with-a-file/
        # no comment $UNSET.
        EOF
        ADD <<EOF /added
        a "quoted" 'text' \\\\ end
        EOF
    """,
    "ends-of-environment": """
        FROM scratch
        COPY file /
        ENV A="x y" B='$A' C=$A D=${A%y} E=${A#x} F=${A/x/z} G=\\${A}
        ENV H=${UNSET-u} I=${A+s} J=${UNSET:-${A}}
        LABEL l="$A" m='$A' n=$H$I
        WORKDIR $H/$I
        EXPOSE ${PORT:-80}/tcp
        USER ${U:-5}
    """,
}
