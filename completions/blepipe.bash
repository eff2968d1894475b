# Completion for bash of the options of all commands, and of the values that an option takes, as --help tells them.
_blepipe() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} help words=''
    help=$("$1" --help 2>/dev/null) || return 0
    case $word in
    -*) words=$(grep -oE '^ +(-[A-Za-z], |--[a-z-]+, )?--[a-z-]+' <<<"$help" | grep -oE -e '--[a-z-]+') ;;
    *)
        case $previous in
        -*) words=$(sed -nE "s/^ +(-[A-Za-z], )?$previous ([a-z0-9.-]+(\|[a-z0-9.-]+)+)( .*)?\$/\2/p" <<<"$help" | tr '|' ' ') ;;
        *) words=$(sed -nE 's/^  ([a-z]+(\|[a-z]+)+)  .*/\1/p' <<<"$help" | tr '|' ' ') ;; # as blequery's questions
        esac
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _blepipe blescan blesend blesub blerecv bleingest bleexport blequery blews bletop
